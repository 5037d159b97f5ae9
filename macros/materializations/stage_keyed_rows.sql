{#- Writes the changes of a large table aside, once, in a table of their own beside it. -#}
{% macro stage_keyed_rows(target_relation, sql) %}
    {%- set identifier = target_relation.identifier ~ '__changes' -%}
    {%- set staged_relation = target_relation.incorporate(path={'identifier': identifier}) -%}
    {% call statement('stage') %}
        create or replace table {{ staged_relation }}
        {{ file_format_clause() }}
        as
        {{ sql }}
    {% endcall %}
    {{ return(staged_relation) }}
{% endmacro %}


{#-
    A merge of staged changes, with the smallest and largest key among them as literals: Delta skips the files of
    the table outside them. A statement that changes nothing if there are none.
-#}
{% macro merge_staged_rows(target_relation, staged_relation) %}
    {%- set keys = config.require('unique_key') -%}
    {%- set query -%}
        select
            count(*)
            {%- for key in keys %}
            {#- The mark keeps dbt from taking a text for a number or a time. #}
            , concat('=', cast(min({{ key }}) as string)), concat('=', cast(max({{ key }}) as string))
            {%- endfor %}
        from {{ staged_relation }}
    {%- endset -%}
    {%- set found = run_query(query).rows[0] -%}
    {%- set bounds = [] -%}
    {%- for key in keys if found[0] > 0 -%}
        {%- set as_type = ' as ' ~ model.columns[key].data_type ~ ')' -%}
        {%- set least = 'cast(' ~ sql_literal(found[loop.index0 * 2 + 1][1:]) ~ as_type -%}
        {%- set most = 'cast(' ~ sql_literal(found[loop.index0 * 2 + 2][1:]) ~ as_type -%}
        {%- do bounds.append('target.' ~ key ~ ' between ' ~ least ~ ' and ' ~ most) -%}
    {%- endfor -%}
    {%- if bounds -%}
        {{ merge_keyed_rows(target_relation, 'select * from ' ~ staged_relation, bounds) }}
    {%- else -%}
        select 0 as num_affected_rows
    {%- endif -%}
{% endmacro %}
