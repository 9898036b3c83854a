DROP TABLE chunks;
DROP TABLE item_versions;
DROP TABLE items;
DROP TABLE members;
DROP TABLE workspaces;
DROP TABLE devices;
DROP TABLE users;
