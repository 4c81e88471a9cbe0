CREATE TABLE md_domain (name text, type text, enabled boolean);
CREATE TABLE md_domainalias (name text, enabled boolean);
CREATE TABLE md_mailbox (address text, maintained boolean);
CREATE TABLE md_alias (address text, target text, enabled boolean);
INSERT INTO md_domain VALUES ('example.com', 'domain', true), ('relay.test', 'relaydomain', true), ('asleep.test', 'domain', false);
INSERT INTO md_domainalias VALUES ('example.org', true);
INSERT INTO md_mailbox VALUES ('alice@example.com', false), ('bob@example.com', false), ('busy@example.com', true);
INSERT INTO md_alias VALUES ('info@example.com', 'alice@example.com', true), ('@example.org', '@example.com', true), ('alice@example.com', 'alice@example.com', true), ('bob@example.com', 'bob@example.com', true);
