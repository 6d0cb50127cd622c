"""Runs that outlive their process: a store, an executor, workers, recipes. Import from the modules."""
