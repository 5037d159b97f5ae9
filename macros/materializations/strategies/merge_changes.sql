{#-
    Merges what the query returns: new and changed rows, and tombstones. They are staged first, in a table beside it, for
    four reasons. They can be checked before they reach the table (audit_changes). A merge executes its source several
    times, and Sail then computes some of it wrongly (docs/engines.md). The merge can state the smallest and largest key
    as literals, so that Delta skips the files that lie outside. And changes that are all new rows, as most are, can be
    inserted, where a merge would read every column of the table.
-#}
{% macro merge_changes(target_relation, sql) %}
    {%- set identifier = target_relation.identifier ~ '__changes' -%}
    {%- set staged_relation = target_relation.incorporate(path={'identifier': identifier}) -%}
    {% call statement('stage') %}
        create or replace table {{ staged_relation }}
        {{ file_format_clause() }}
        {{ tblproperties_clause() }}
        as
        select {{ contract_columns() }}, is_deleted
        from (
            {{ sql }}
        ) as changes
    {% endcall %}
    {%- set bounds = key_bounds(staged_relation) -%}
    {%- if bounds and config.meta_get('returns') == 'changes' -%}
        {%- do audit_changes(target_relation, staged_relation) -%}
    {%- endif -%}
    {% call statement('main') %}
        {%- if not bounds %}
        {#- Without changes there is no merge; dbt still needs a main statement. #}
        select 0 as num_affected_rows
        {%- elif has_matches(target_relation, staged_relation, bounds) %}
        {{ merge_rows(target_relation, staged_relation, bounds) }}
        {%- else %}
        {{ insert_new_rows(target_relation, staged_relation, bounds) }}
        {%- endif %}
    {% endcall %}
    {%- do adapter.drop_relation(staged_relation) -%}
{% endmacro %}


{#- A condition for each column of the key: its smallest and largest value among the changes; none without changes. -#}
{% macro key_bounds(staged_relation) %}
    {%- set keys = config.require('unique_key') -%}
    {%- set query -%}
        select
            count(*)
            {%- for key in keys %}
            {#- The '=' prefix stops dbt from casting text to numbers or times. #}
            , concat('=', cast(min({{ key }}) as string)), concat('=', cast(max({{ key }}) as string))
            {%- endfor %}
        from {{ staged_relation }}
    {%- endset -%}
    {%- set found = run_query(query).rows[0] -%}
    {%- set bounds = [] -%}
    {%- for key in keys if found[0] > 0 -%}
        {%- set as_type = ' as ' ~ model.columns[key].data_type ~ ')' -%}
        {%- set smallest = 'cast(' ~ sql_literal(found[loop.index0 * 2 + 1][1:]) ~ as_type -%}
        {%- set largest = 'cast(' ~ sql_literal(found[loop.index0 * 2 + 2][1:]) ~ as_type -%}
        {%- do bounds.append('target.' ~ key ~ ' between ' ~ smallest ~ ' and ' ~ largest) -%}
    {%- endfor -%}
    {{ return(bounds) }}
{% endmacro %}


{#- Whether a staged change has the key of a row in the table. -#}
{% macro has_matches(target_relation, staged_relation, bounds) %}
    {%- set query -%}
        select count(*) as matched_rows
        from {{ target_relation }} as target
        inner join {{ staged_relation }} as source
            on {{ keys_match('target', 'source') }}
        where {{ bounds | join(' and ') }}
    {%- endset -%}
    {{ return(run_query(query).rows[0][0] > 0) }}
{% endmacro %}


{#- Inserts the staged rows. It looks for their keys itself, so that Delta refuses it beside another writer of them. -#}
{% macro insert_new_rows(target_relation, staged_relation, bounds) %}
    insert into {{ target_relation }} ({{ model.columns | join(', ') }})
    select {% for column in model.columns %}source.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ staged_relation }} as source
    left anti join {{ target_relation }} as target
        on {{ ([keys_match('target', 'source')] + bounds) | join(' and ') }}
    where not source.is_deleted
{% endmacro %}
