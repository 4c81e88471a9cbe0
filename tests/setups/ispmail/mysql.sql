CREATE DATABASE mailserver;
GRANT ALL ON mailserver.* TO 'mail';
USE mailserver;
CREATE TABLE virtual_domains (name varchar(50));
CREATE TABLE virtual_users (email varchar(100));
CREATE TABLE virtual_aliases (source varchar(100), destination varchar(100));
INSERT INTO virtual_domains VALUES ('example.com'), ('example.org');
INSERT INTO virtual_users VALUES ('alice@example.com'), ('bob@example.com'), ('o''neil@example.com'), ('full@example.com');
INSERT INTO virtual_aliases VALUES ('info@example.com', 'alice@example.com'), ('info@example.com', 'bob@example.com'), ('@example.org', 'alice@example.com');
