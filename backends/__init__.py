"""One folder for each kind of device; `backends/table.py` names them all, and this is its door."""

from stagecut.backends.configurations import apart as apart
from stagecut.backends.configurations import configurations as configurations
from stagecut.backends.configurations import configured as configured
from stagecut.backends.configurations import helped as helped
from stagecut.backends.configurations import quantises as quantises
from stagecut.backends.configurations import ranged as ranged
from stagecut.backends.configurations import serving as serving
from stagecut.backends.configurations import serving_one as serving_one
from stagecut.backends.configurations import stored as stored
from stagecut.backends.estimates import Answer as Answer
from stagecut.backends.estimates import operator_model as operator_model
from stagecut.backends.estimates import said as said
from stagecut.backends.table import AUTO as AUTO
from stagecut.backends.table import BUILT_IN as BUILT_IN
from stagecut.backends.table import UNHEARD as UNHEARD
from stagecut.backends.table import always as always
from stagecut.backends.table import canonical_spec as canonical_spec
from stagecut.backends.table import create as create
from stagecut.backends.table import create_all as create_all
from stagecut.backends.table import create_from_plan as create_from_plan
from stagecut.backends.table import left_out as left_out
from stagecut.backends.table import listed as listed
from stagecut.backends.table import names as names
from stagecut.backends.table import real_devices as real_devices
from stagecut.backends.table import survey as survey
from stagecut.backends.threads import CPU as CPU
