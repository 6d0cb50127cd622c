BEGIN TRANSACTION;
CREATE TABLE blobs (                       -- by SHA-256: masks that did not change are stored once
        run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (run_id, digest));
INSERT INTO "blobs" VALUES('l4ik4fxfg2','df6f282e99780b4c9219fc9abd3b018aac1d0fd4b5b677e5dbd27e21d5dd58d4',X'78000000000000007B225F5F6D657461646174615F5F223A7B22736861706573223A227B5C2266632E7765696768745C223A205B332C20345D7D227D2C2266632E776569676874223A7B226474797065223A225538222C227368617065223A5B325D2C22646174615F6F666673657473223A5B302C325D7D7D20202020202020AAA0');
INSERT INTO "blobs" VALUES('l4ik4fxfg2','e4172d66fdb92fc750ced2c1960985e6bfcb51d0d5f5814c87bf7034f3d99439',X'88000000000000007B225F5F6D657461646174615F5F223A7B22736861706573223A227B5C22706172616D732F66632E7765696768745C223A205B332C20345D7D227D2C22706172616D732F66632E776569676874223A7B226474797065223A22463332222C227368617065223A5B365D2C22646174615F6F666673657473223A5B302C32345D7D7D202020202020200000000000000040000080400000C0400000004100002041');
INSERT INTO "blobs" VALUES('l4ik4fxfg2','ad20916785936819fb8462dbd960f9398dacc6c60fbde8b1b130d05d316dc1e7',X'78000000000000007B225F5F6D657461646174615F5F223A7B22736861706573223A227B5C2266632E7765696768745C223A205B332C20345D7D227D2C2266632E776569676874223A7B226474797065223A225538222C227368617065223A5B325D2C22646174615F6F666673657473223A5B302C325D7D7D202020202020209240');
INSERT INTO "blobs" VALUES('l4ik4fxfg2','b1b680bb36f3cddfed216d4454ad2692d8fe3b3952620aabe59952dd14a19128',X'88000000000000007B225F5F6D657461646174615F5F223A7B22736861706573223A227B5C22706172616D732F66632E7765696768745C223A205B332C20345D7D227D2C22706172616D732F66632E776569676874223A7B226474797065223A22463332222C227368617065223A5B345D2C22646174615F6F666673657473223A5B302C31365D7D7D202020202020200000803F000080400000E04000002041');
CREATE TABLE done (what TEXT PRIMARY KEY);
INSERT INTO "done" VALUES('gallery');
CREATE TABLE rounds (
        run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
        round INTEGER NOT NULL,
        row TEXT NOT NULL,
        PRIMARY KEY (run_id, round)) WITHOUT ROWID;
INSERT INTO "rounds" VALUES('l4ik4fxfg2',0,'{"round": 0, "clients": [0, 3], "test_accuracy": 0.5, "test_loss": 1.25, "accuracy_before_purge": 0.5, "worst_client_accuracy": 0.25, "mean_client_accuracy": 0.5, "best_client_accuracy": 0.75, "train_loss": null, "sparsity": 0.5, "target_sparsity": null, "layer_density": {"fc.weight": 0.5}, "upload_bytes": 0, "download_bytes": 0, "dense_flops": 1000, "effective_flops": 400, "round_s": 0.125}');
INSERT INTO "rounds" VALUES('l4ik4fxfg2',1,'{"round": 1, "clients": [0, 3], "test_accuracy": 0.5, "test_loss": 1.25, "accuracy_before_purge": 0.5, "worst_client_accuracy": 0.25, "mean_client_accuracy": 0.5, "best_client_accuracy": 0.75, "train_loss": 1.5, "sparsity": 0.6666666666666667, "target_sparsity": null, "layer_density": {"fc.weight": 0.3333333333333333}, "upload_bytes": 100, "download_bytes": 200, "dense_flops": 1000, "effective_flops": 400, "round_s": 0.125}');
CREATE TABLE runs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival
        run_id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        owner TEXT NOT NULL,
        created TEXT NOT NULL,
        experiment TEXT NOT NULL,
        parent_id TEXT,                         -- of a fork; the parent may be deleted
        parent_round INTEGER,
        status TEXT NOT NULL,
        wish TEXT NOT NULL DEFAULT 'run',       -- what the executing process is asked to do: run, step, pause, stop
        error TEXT NOT NULL DEFAULT '',
        machine TEXT NOT NULL DEFAULT '{}',
        pid INTEGER,                            -- the executing process and its start time
        pid_started REAL);
INSERT INTO "runs" VALUES(1,'l4ik4fxfg2','from before','','2026-11-20T19:20:16+00:00','{"data":{"alpha":0.5,"dataset":"digits","labels_per_client":2,"min_size":1,"noise_std":0.3,"num_clients":20,"partition":"dirichlet","path":"","rotation_degrees":30.0,"seed":0,"size_power":1.35},"federation":{"batch_size":16,"learning_rate":0.05,"local_epochs":2,"momentum":0.5,"participation":1.0,"rounds":30,"seed":0,"trainer":"fast"},"model":{"name":"cnn_small"},"strategy":{"name":"fedavg"}}',NULL,NULL,'finished','run','','{}',NULL,NULL);
CREATE TABLE tensors (
        run_id TEXT NOT NULL,
        round INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('masks', 'model', 'memory')),
        digest TEXT NOT NULL,
        PRIMARY KEY (run_id, round, kind),
        FOREIGN KEY (run_id, round) REFERENCES rounds (run_id, round) ON DELETE CASCADE) WITHOUT ROWID;
INSERT INTO "tensors" VALUES('l4ik4fxfg2',0,'masks','df6f282e99780b4c9219fc9abd3b018aac1d0fd4b5b677e5dbd27e21d5dd58d4');
INSERT INTO "tensors" VALUES('l4ik4fxfg2',0,'model','e4172d66fdb92fc750ced2c1960985e6bfcb51d0d5f5814c87bf7034f3d99439');
INSERT INTO "tensors" VALUES('l4ik4fxfg2',1,'masks','ad20916785936819fb8462dbd960f9398dacc6c60fbde8b1b130d05d316dc1e7');
INSERT INTO "tensors" VALUES('l4ik4fxfg2',1,'model','b1b680bb36f3cddfed216d4454ad2692d8fe3b3952620aabe59952dd14a19128');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',1);
COMMIT;
PRAGMA user_version = 1;
