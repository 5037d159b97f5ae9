{#-
    Stops a run that has selected nodes of the other side: views of Postgres in a run on the lake, or tables of the lake
    in a run on Postgres. The default selector keeps them apart, but --select and --exclude replace it.
-#}
{% macro refuse_other_side(selected) -%}
    {%- set in_postgres = target.type == 'postgres' -%}
    {%- set misplaced = [] -%}
    {%- for name in selected if name in graph.nodes -%}
        {%- set node = graph.nodes[name] -%}
        {%- if node.original_file_path.startswith('models/serving/') != in_postgres -%}
            {%- do misplaced.append(node.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if misplaced -%}
        {%- set others = ' and ' ~ (misplaced | length - 1) ~ ' more' if misplaced | length > 1 else '' -%}
        {%- set found = (misplaced | sort)[0] ~ others -%}
        {%- if in_postgres -%}
            {%- do exceptions.raise_compiler_error(
                'The lake builds ' ~ found ~ ': run it without `--target postgres`, or choose with `-s models/serving`.'
            ) -%}
        {%- else -%}
            {%- do exceptions.raise_compiler_error(
                'Postgres has ' ~ found ~ ': leave it out too, as in `--exclude ... models/serving`, or run it with '
                ~ '`--target postgres`.'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
