{#-
    No statistics of columns in the Delta log unless the table names the columns itself (delta.dataSkippingStatsColumns).
    Where a column has one value in a whole file, Sail reads it from these statistics and not from the file, and reads a
    decimal there as a double. Parquet's own statistics, which are exact, remain and let it skip row groups.
-#}
{% macro localspark__tblproperties_clause() -%}
    {%- set properties = {} -%}
    {%- do properties.update(config.get('tblproperties') or {}) -%}
    {%- if 'delta.dataSkippingStatsColumns' not in properties -%}
        {%- do properties.update({'delta.dataSkippingNumIndexedCols': 0}) -%}
    {%- endif -%}
    tblproperties (
        {%- for name, value in properties.items() %}
        '{{ name }}' = '{{ value }}'{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
