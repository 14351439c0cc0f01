-- Rooms outlive the node; meetings do not.
CREATE TABLE rooms (
    alias            TEXT PRIMARY KEY NOT NULL,
    name             TEXT NOT NULL,
    host_pin         TEXT NOT NULL,
    guest_pin        TEXT NOT NULL,
    participants_max INTEGER NOT NULL,
    created_at_s     INTEGER NOT NULL
) STRICT;
