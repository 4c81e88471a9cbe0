CREATE TABLE users (email text, password text);
CREATE TABLE aliases (source text, destination text, permitted_senders text);
CREATE TABLE auto_aliases (source text, destination text, permitted_senders text);
INSERT INTO users VALUES ('alice@example.com', ''), ('bob@example.com', '');
INSERT INTO aliases VALUES ('info@example.com', 'alice@example.com', NULL), ('boss@example.com', 'alice@example.com', 'bob@example.com'), ('@example.org', '@example.com', NULL);
INSERT INTO auto_aliases VALUES ('postmaster@example.com', 'alice@example.com', NULL);
