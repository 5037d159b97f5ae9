-- The views for BI, which dbt builds as the user of the sync, who may not create schemas. One that is there stays as it is.
do $reading$
begin
    if to_regnamespace('reading') is not null then
        return;
    end if;
    create schema reading;
    comment on schema reading is 'Views of what is published, for dashboards.';
    if to_regrole('crypto_sync') is not null then
        grant usage, create on schema reading to crypto_sync;
    end if;
    if to_regrole('crypto_reader') is not null then
        grant usage on schema reading to crypto_reader;
    end if;
end
$reading$;
