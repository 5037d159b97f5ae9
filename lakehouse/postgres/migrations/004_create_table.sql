-- Runs with its caller's rights: only who may create tables in the schema can have one more published.
create or replace function crypto.create_table(
    table_name text, column_names text[], column_types text[], key text[], description text
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $function$
declare
    definitions text;
    key_columns text;
begin
    select string_agg(format('%I %s', name, type), ', ' order by place) into definitions
    from unnest(column_names, column_types) with ordinality as given (name, type, place);
    select string_agg(format('%I', name), ', ' order by place) into key_columns
    from unnest(key) with ordinality as given (name, place);

    execute format('create table crypto.%I (%s, primary key (%s))', table_name, definitions, key_columns);
    if 'symbol' = any (column_names) then
        execute format(
            'alter table crypto.%I add constraint %I foreign key (symbol) references crypto.symbols (symbol)',
            table_name, table_name || '_symbol_known'
        );
    end if;
    execute format('comment on table crypto.%I is %L', table_name, description);

    if to_regrole('crypto_sync') is not null then
        execute format('grant select, insert, update, delete on crypto.%I to crypto_sync', table_name);
    end if;
    if to_regrole('crypto_reader') is not null then
        execute format('grant select on crypto.%I to crypto_reader', table_name);
    end if;
    if to_regrole('crypto_owner') is not null and pg_has_role(current_user, 'crypto_owner', 'usage') then
        execute format('alter table crypto.%I owner to crypto_owner', table_name);
    end if;
end
$function$;

comment on function crypto.create_table(text, text[], text[], text[], text) is
'Create a table that is published for the first time: its key, its symbols, and the rights of the roles.';
