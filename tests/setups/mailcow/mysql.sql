CREATE DATABASE mailcow;
GRANT ALL ON mailcow.* TO 'mail';
USE mailcow;
CREATE TABLE domain (domain varchar(99), backupmx int, active int);
INSERT INTO domain VALUES ('example.com', 0, 1), ('asleep.test', 0, 0), ('backup.test', 1, 1);
CREATE TABLE mailbox (username varchar(99), domain varchar(99), maildir varchar(99), kind varchar(20), tls_in int, active int);
INSERT INTO mailbox VALUES ('alice@example.com', 'example.com', 'example.com/alice/', '', 0, 1),
 ('bob@example.com', 'example.com', 'example.com/bob/', '', 1, 1),
 ('left@example.com', 'example.com', 'example.com/left/', '', 0, 0),
 ('known@backup.test', 'backup.test', '', '', 0, 1);
CREATE TABLE alias (address varchar(99), goto text, active int);
INSERT INTO alias VALUES ('alice@example.com', 'alice@example.com', 1), ('bob@example.com', 'bob@example.com', 1),
 ('info@example.com', 'alice@example.com,bob@example.com', 1), ('old@example.com', 'bob@example.com', 0);
CREATE TABLE alias_domain (alias_domain varchar(99), target_domain varchar(99));
INSERT INTO alias_domain VALUES ('example.org', 'example.com');
INSERT INTO domain VALUES ('example.org', 0, 1);
CREATE TABLE spamalias (address varchar(99), goto text);
INSERT INTO spamalias VALUES ('tmp123@example.com', 'alice@example.com');
CREATE TABLE sender_acl (logged_in_as varchar(99), send_as varchar(99));
INSERT INTO sender_acl VALUES ('alice@example.com', '@example.org');
CREATE TABLE other (kind varchar(50), name varchar(99), value text);
