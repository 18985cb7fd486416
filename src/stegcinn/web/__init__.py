"""A page on this machine to hide and reveal in the browser; `pip install 'stegcinn[web]'`, `stegcinn serve`.

server.py  listens and announces       guard.py   who may ask: Host, Origin, token; what a browser may do with answers
api.py     HTTP into jobs and back     openapi.py the API described
orders.py  what can be ordered         shelf.py   uploads and jobs in memory, for a while
jobs.py    processes that do the jobs  page/      what the browser gets
work.py    the jobs: library calls     albums.py  those over several photos
"""
