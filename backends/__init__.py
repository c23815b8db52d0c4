"""One folder for each kind of device; `backends/table.py` names them all, and this is its door."""

from stagecut.backends.table import BUILT_IN as BUILT_IN
from stagecut.backends.table import DEFAULT_DEVICES as DEFAULT_DEVICES
from stagecut.backends.table import create as create
from stagecut.backends.table import create_all as create_all
from stagecut.backends.table import lasting as lasting
from stagecut.backends.table import listed as listed
from stagecut.backends.table import names as names
from stagecut.backends.table import real_devices as real_devices
