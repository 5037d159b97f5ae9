-- Which of these files have been applied.
create schema if not exists crypto;

create table if not exists crypto.schema_migrations (
    name text primary key,
    applied_at timestamptz not null default now()
);

comment on table crypto.schema_migrations is 'One row per migration file that was applied to this schema.';
