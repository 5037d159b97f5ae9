{#-
    Runs first: stops a run that was given nodes of the other side, Postgres' on the lake or the lake's in Postgres.
    The default selector keeps them apart, but dbt drops it as soon as a command says --select or --exclude.
-#}
{% macro refuse_other_side(selected) -%}
    {%- set in_postgres = target.type == 'postgres' -%}
    {%- set strange = [] -%}
    {%- for name in selected if name in graph.nodes -%}
        {%- set node = graph.nodes[name] -%}
        {%- if node.original_file_path.startswith('models/reading/') != in_postgres -%}
            {%- do strange.append(node.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if strange -%}
        {%- set found = (strange | sort)[0] ~ (' and ' ~ (strange | length - 1) ~ ' more' if strange | length > 1) -%}
        {%- if in_postgres -%}
            {%- do exceptions.raise_compiler_error(
                'The lake builds ' ~ found ~ ': run it without `--target postgres`, or choose with `-s models/reading`.'
            ) -%}
        {%- else -%}
            {%- do exceptions.raise_compiler_error(
                'Postgres has ' ~ found ~ ': leave it out too, as in `--exclude ... models/reading`, or run it with '
                ~ '`--target postgres`.'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
