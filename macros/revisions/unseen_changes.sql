{#-
    The change feed of a table between the version that `log` has seen and the newest one. Delta takes versions as
    literals only, so they are asked for when the model runs; the version seen is a property of the log's table,
    written after the merge: a run killed in between reads the same changes again and merges them to no effect.
-#}
{% macro unseen_changes(log, relation) %}
    {%- set seen = seen_version(log) -%}
    {%- set newest = newest_version(relation) -%}
    {%- if newest > seen %}
    select * from table_changes('{{ relation.schema }}.{{ relation.identifier }}', {{ seen + 1 }}, {{ newest }})
    {%- else %}
    select *, '' as _change_type, 0 as _commit_version, cast(null as timestamp) as _commit_timestamp
    from {{ relation }}
    where false
    {%- endif %}
{% endmacro %}


{% macro remember_seen_version(log, relation) %}
    {%- set newest = newest_version(relation) -%}
    {%- if newest > seen_version(log) -%}
    alter table {{ log }} set tblproperties ('crypto.seen_version' = '{{ newest }}')
    {%- endif -%}
{% endmacro %}


{#- The version of the change feed that a log has taken in; 0, the empty table, before its first run. -#}
{% macro seen_version(log) %}
    {%- if execute and load_cached_relation(log) is not none -%}
        {%- set properties = run_query("show tblproperties " ~ log) -%}
        {%- for row in properties.rows if row[0] == 'crypto.seen_version' -%}
            {{ return(row[1] | int) }}
        {%- endfor -%}
    {%- endif -%}
    {{ return(0) }}
{% endmacro %}


{% macro newest_version(relation) %}
    {%- if execute -%}
        {{ return(run_query("describe history " ~ relation ~ " limit 1").rows[0][0] | int) }}
    {%- endif -%}
    {{ return(0) }}
{% endmacro %}
