"""What-ifs over cost tables: how the optimum changes with a device or with a link.

scale      a table with a device or links so many times as fast
envelope   the exact curve of a minimum over lines, in the fewest minimisations
sweep      CostTable -> Curve: every speed at which the optimum changes, and what moves there
lengths    CostsByLength -> LengthCurve: the same along the length of a decode step
regions    the exact regions of a minimum over planes
speed_map  CostTable -> SpeedMap: the same for two speeds at once
catalogue  CostTable -> Choices: the optimum with one device of several at a time
"""
