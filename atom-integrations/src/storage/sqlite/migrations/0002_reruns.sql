-- The run that a run repeats.
ALTER TABLE runs ADD COLUMN rerun_of BLOB;
