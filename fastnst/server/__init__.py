"""Painting over HTTP: the page from the program, and an API for other programs.

Requests come in with a photo and the controls of `fastnst stylize`; the bytes that the command writes go out.
Only the command line may import it. It needs the extra `web`: Starlette, uvicorn and python-multipart.
"""
