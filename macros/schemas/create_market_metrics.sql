{#-
    On Databricks, the metric view `market_metrics` beside daily_metrics: numbers that may not be added up or averaged,
    such as VWAP and returns, which a query asks for by any group with measure(). A hook of daily_metrics makes it if the
    variable `metric_views` is true, as in the job; the local engines have no such views.
-#}
{% macro create_market_metrics() -%}
    {{ return(adapter.dispatch('create_market_metrics')()) }}
{%- endmacro %}

{% macro default__create_market_metrics() -%}{%- endmacro %}

{% macro databricks__create_market_metrics() -%}
    {%- if var('metric_views') %}
create or replace view {{ this.incorporate(path={'identifier': 'market_metrics'}) }}
with metrics language yaml as $$
{{ market_metrics(this | replace('`', '')) }}
$$
    {%- endif %}
{%- endmacro %}


{#- The definition: by what may be grouped, and what is computed from the days of a group. -#}
{% macro market_metrics(relation) -%}
version: "1.1"
source: {{ relation }}
comment: Daily metrics by any group; what may not be added up is computed from its days.
dimensions:
  - {name: symbol, expr: symbol}
  - {name: symbol_name, expr: symbol_name}
  - {name: metric_date, expr: metric_date}
  - {name: month, expr: "cast(date_trunc('month', metric_date) as date)"}
measures:
  - {name: volume, expr: sum(volume), comment: Amount of the asset traded.}
  - {name: trade_count, expr: sum(trade_count), comment: Number of trades.}
  - {name: last_close, expr: "max_by(close, metric_date)", comment: Close of the last day.}
  - name: vwap
    expr: {{ as_double('sum(quote_volume)') }} / nullif({{ as_double('sum(volume)') }}, 0)
    comment: Price weighted by volume, of one symbol.
  - name: period_return
    expr: exp(sum(ln(1 + return_1d))) - 1
    comment: Last close divided by the close before the first day, minus 1, of one symbol.
{%- endmacro %}
