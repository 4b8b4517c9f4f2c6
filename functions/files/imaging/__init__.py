"""What a file is, and images made safe and quick to show: no HTTP, no SQL, no bucket, only files in folders.

`kinds`, `limits` and `child` are what the rest of the function uses; everything that decodes runs in the
child process which `child.Decoder` keeps ready.
"""
