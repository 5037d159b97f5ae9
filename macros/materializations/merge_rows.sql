{#-
    The merge statement of a keyed_table.

    staged_relation    a table of the changes: the table's columns and is_deleted
    bounds             further conditions on the target's key, by which Delta skips files
-#}
{% macro merge_rows(target_relation, staged_relation, bounds) %}
    merge into {{ target_relation }} as target
    using {{ staged_relation }} as source
    on {{ ([keys_match('target', 'source')] + bounds) | join(' and ') }}
    when matched and source.is_deleted then delete
    when matched and {{ rows_differ('target', 'source') }} then update set
        {%- for column in model.columns %}
        {{ column }} = source.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    when not matched and not source.is_deleted then insert
        ({{ model.columns | join(', ') }})
        values ({% for column in model.columns %}source.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
{% endmacro %}


{#- Whether two rows have the same key. -#}
{% macro keys_match(left, right) -%}
    {%- for key in config.require('unique_key') -%}
        {{ left }}.{{ key }} = {{ right }}.{{ key }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{#- Whether two rows with the same key differ in a value, lineage columns aside. -#}
{% macro rows_differ(left, right) -%}
    {%- set not_compared = config.require('unique_key') + config.meta_get('lineage_columns', []) -%}
    (
        {%- for column in model.columns | reject('in', not_compared) %}
        {{ left }}.{{ column }} is distinct from {{ right }}.{{ column }}{{ ' or' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
