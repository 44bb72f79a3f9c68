"""``python -m taskflow_worker``"""

from .main import main

main()
