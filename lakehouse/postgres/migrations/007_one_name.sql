-- One definition of "the same name", here and in the lake, where trades match by Spark's upper(), which knows the letters
-- of all languages: Straße and STRASSE are one name. Postgres' own upper() knows those of the database's locale only, so
-- migrate.py gives all letters with what upper() makes of them; some become two or three.
do $letters$
begin
    execute format(
        $definition$
        create or replace function crypto.name_key(name text)
        returns text
        language plpgsql
        immutable
        strict
        set search_path = pg_catalog, pg_temp
        as $function$
        declare
            several text[] := string_to_array(%L, ' ');
            upper_several text[] := string_to_array(%L, ' ');
            folded text := translate(btrim(name, E' \t\n\r\f\x0B'), %L, %L);
        begin
            for place in 1 .. array_length(several, 1) loop
                folded := replace(folded, several[place], upper_several[place]);
            end loop;
            return folded;
        end
        $function$
        $definition$,
        current_setting('crypto.several'), current_setting('crypto.upper_several'),
        current_setting('crypto.letters'), current_setting('crypto.upper_letters')
    );
end
$letters$;

comment on function crypto.name_key(text) is 'What the spellings of one name have in common.';

create unique index if not exists symbols_one_name on crypto.symbols (crypto.name_key(symbol));
create unique index if not exists exchanges_one_name on crypto.exchanges (crypto.name_key(exchange));
drop index if exists crypto.symbols_one_spelling;
drop index if exists crypto.exchanges_one_spelling;

do $ownership$
begin
    if to_regrole('crypto_owner') is not null and pg_has_role(current_user, 'crypto_owner', 'usage') then
        alter function crypto.name_key(text) owner to crypto_owner;
    end if;
exception
    when insufficient_privilege then
        raise notice 'name_key stays with %: it may not give it to crypto_owner', current_user;
end
$ownership$;
