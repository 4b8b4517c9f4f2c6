from common.app import create_app, lambda_handler
from functions.health.endpoints import router

app = create_app("health", summary="What all the others report, in one place.", router=router)
handler = lambda_handler(app)
