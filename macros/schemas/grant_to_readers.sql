{#- Lets dashboards read a view in Postgres, if the database has their role. -#}
{% macro grant_to_readers() %}
do $grant$
begin
    if to_regrole('crypto_reader') is not null then
        grant usage on schema {{ this.schema }} to crypto_reader;
        grant select on {{ this }} to crypto_reader;
    end if;
end
$grant$
{% endmacro %}
