def tables(result, calibration):
    pass
