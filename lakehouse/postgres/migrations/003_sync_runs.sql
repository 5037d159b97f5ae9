-- What each sync did, and two functions of the owner's that it needs.
create table if not exists crypto.sync_runs (
    run_id uuid not null,
    table_name text not null,
    invocation_id text not null,
    source_id text not null,
    source_version bigint not null,
    rows_inserted bigint not null,
    rows_updated bigint not null,
    rows_deleted bigint not null,
    rows_total bigint not null,
    checksum numeric(38, 0) not null,
    seconds double precision not null,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (run_id, table_name)
);

create index if not exists sync_runs_latest on crypto.sync_runs (table_name, finished_at desc);

comment on table crypto.sync_runs is 'One row per sync and published table, written in the same transaction as the table.';
comment on column crypto.sync_runs.run_id is 'One try of a sync.';
comment on column crypto.sync_runs.table_name is 'Published table in schema crypto.';
comment on column crypto.sync_runs.invocation_id is 'The dbt invocation or command that asked for it.';
comment on column crypto.sync_runs.source_id is 'Identity of the Delta table: a new table starts its versions anew.';
comment on column crypto.sync_runs.source_version is 'Version of the Delta table that was published.';
comment on column crypto.sync_runs.rows_inserted is 'Rows that were new.';
comment on column crypto.sync_runs.rows_updated is 'Rows of which a value differed.';
comment on column crypto.sync_runs.rows_deleted is 'Rows that were gone from the lake.';
comment on column crypto.sync_runs.rows_total is 'Rows of the table afterwards.';
comment on column crypto.sync_runs.checksum is 'Checksum of the table afterwards, equal in the lake and here.';
comment on column crypto.sync_runs.seconds is 'How long the table took.';
comment on column crypto.sync_runs.finished_at is 'When the table was done; readers saw it when the whole run was.';

-- The rows of a table and a sum over them that does not depend on their order: of each row the first 60 bits of the
-- SHA-256 of its values as Postgres sends them in binary form, so that every bit of every value counts.
create or replace function crypto.fingerprint(relation regclass)
returns table (row_count bigint, checksum numeric)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $function$
begin
    return query execute format(
        $query$
        select
            count(*),
            coalesce(sum(('x' || left(encode(sha256(record_send(t)), 'hex'), 15))::bit(60)::bigint), 0)
        from %s as t
        $query$,
        relation
    );
end
$function$;

comment on function crypto.fingerprint(regclass) is 'Row count and order-independent checksum of a table.';

-- Runs with its owner's rights, so that the sync, which owns nothing, can add what gold has added, and no more:
-- a nullable column of a plain type to a table that the caller may delete from.
create or replace function crypto.add_column(table_name text, column_name text, column_type text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $function$
begin
    if not has_table_privilege(session_user, format('crypto.%I', table_name), 'delete') then
        raise exception 'crypto.% is not a table that % publishes', table_name, session_user
            using errcode = 'insufficient_privilege';
    end if;
    if column_type !~ '^(text|bigint|integer|boolean|date|double precision|timestamp with time zone|numeric\(\d+,\d+\))$' then
        raise exception 'columns of type % are not published', column_type using errcode = 'feature_not_supported';
    end if;
    execute format('alter table crypto.%I add column if not exists %I %s', table_name, column_name, column_type);
end
$function$;

comment on function crypto.add_column(text, text, text) is 'Add a nullable column to a published table.';

revoke execute on function crypto.add_column(text, text, text) from public;
