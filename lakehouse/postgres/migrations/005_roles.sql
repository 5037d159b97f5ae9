-- Three roles to grant to people and programs. Where the database user may not create roles, there are none, and
-- what it owns stays its own.
do $roles$
declare
    wanted text;
begin
    foreach wanted in array array['crypto_owner', 'crypto_sync', 'crypto_reader'] loop
        begin
            if to_regrole(wanted) is null then
                execute format('create role %I nologin', wanted);
            end if;
        exception
            -- Roles belong to the whole server: another database's migration can be the first.
            when duplicate_object or unique_violation then null;
            when insufficient_privilege then
                raise notice 'role % was not created: the user % may not create roles', wanted, current_user;
        end;
    end loop;
end
$roles$;

do $grants$
begin
    if to_regrole('crypto_sync') is not null then
        grant usage on schema crypto to crypto_sync;
        grant select on all tables in schema crypto to crypto_sync;
        grant insert, update, delete on crypto.daily_metrics, crypto.trading_indicators to crypto_sync;
        grant insert on crypto.sync_runs to crypto_sync;
        grant execute on function crypto.add_column(text, text, text) to crypto_sync;
        execute format('grant temporary on database %I to crypto_sync', current_database());
    end if;
    if to_regrole('crypto_reader') is not null then
        grant usage on schema crypto to crypto_reader;
        grant select on all tables in schema crypto to crypto_reader;
    end if;
end
$grants$;

-- What the owner's role owns, the user who migrates can change through membership, and so can later migrations.
do $ownership$
declare
    thing record;
begin
    if to_regrole('crypto_owner') is null then
        return;
    end if;
    if not pg_has_role(current_user, 'crypto_owner', 'usage') then
        execute format('grant crypto_owner to %I', current_user);
    end if;
    execute format('grant create on database %I to crypto_owner', current_database());
    execute 'alter schema crypto owner to crypto_owner';
    for thing in select oid::regclass as name from pg_class where relnamespace = 'crypto'::regnamespace and relkind = 'r' loop
        execute format('alter table %s owner to crypto_owner', thing.name);
    end loop;
    for thing in select oid::regprocedure as name from pg_proc where pronamespace = 'crypto'::regnamespace loop
        execute format('alter function %s owner to crypto_owner', thing.name);
    end loop;
exception
    when insufficient_privilege then
        raise notice 'schema crypto stays with %: it may not give it to crypto_owner', current_user;
end
$ownership$;
