-- The tables of the load: what the connector publishes, and beside it what only the checker reads.

create table outbox (
    id uuid primary key, aggregatetype varchar(255), aggregateid bytea,
    type varchar(255) not null, payload bytea, at timestamptz not null, p int);

-- No event of these is one that a connector for bytes can publish.
create table text_keys (like outbox including all);
alter table text_keys alter aggregateid type text using null;
create table text_payloads (like outbox including all);
alter table text_payloads alter payload type jsonb using null;
create table no_payloads (like outbox including all);
alter table no_payloads rename payload to content;
-- Nor is any of these, which were there before the slot. They are updated.
create table updates (like outbox, n int primary key);
insert into updates select gen_random_uuid(), null, null, 'never', null, now(), null, n from generate_series(0, 119) n;

-- The one that the connector makes has no updates.
create publication walpost for table outbox, text_keys, text_payloads, no_payloads, updates
    with (publish = 'insert, update');

-- Who holds an aggregate's row takes its next versions: they are the order of its events.
create table aggregate (id int primary key, version bigint not null) with (fillfactor = 50);
insert into aggregate select n, 0 from generate_series(0, 119) n;

-- One row for each event, written in the same transaction.
create table truth (
    id uuid primary key, writer int not null, tx bigint not null, ordinal int not null, aggregate int not null,
    version bigint not null, xid bigint not null, kilobytes int not null, at timestamptz not null,
    -- What is bad about the event; null for a good one. And what stands before its payload.
    bad text, frame bytea not null);
create index on truth (writer, tx);

-- One row for each transaction; the witness is told of these.
create table done (
    writer int not null, tx bigint not null, xid bigint not null, kinds text[] not null, primary key (writer, tx));

create table busy (n bigint generated always as identity, text text);
create table held (n bigint generated always as identity);
create table unrelated (n int);

-- An event's payload is what its row of truth says, and enough letters to get one wrong.
create function payload(t truth) returns jsonb language sql stable as $$
    select jsonb_build_object(
        'id', t.id, 'writer', t.writer, 'tx', t.tx, 'ordinal', t.ordinal, 'aggregate', t.aggregate,
        'version', t.version, 'xid', t.xid,
        'text', e'\t"äß€🦀\\ ' || md5(t.id::text) || repeat(md5(t.id::text), t.kilobytes * 32))
$$;

-- The same as the application writes it into a column of bytes.
create function framed(t truth) returns bytea language sql stable as $$
    select t.frame || convert_to(payload(t)::text, 'UTF8')
$$;

create function aggregate_type(aggregate int) returns text language sql immutable as $$
    select (array['order', 'customer', 'invoice'])[aggregate % 3 + 1]
$$;

create publication witness for table done with (publish = 'insert');
