from common.routing import combine
from functions.files.endpoints import content, files, images, uploads

router = combine(uploads.router, files.router, content.router, images.router)
