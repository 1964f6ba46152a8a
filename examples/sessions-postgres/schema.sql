-- Sessions in PostgreSQL 14 or later. Running this file again changes nothing.
--
-- All names are unqualified: the search_path of the connection chooses the schema. Times are
-- milliseconds since 1970 by the clock of the server, except for session_revocation.until, which is in
-- seconds, rounded up. Locks are taken in the order subject, family, store, revocation.
BEGIN;
-- One instance after the other, where several start at once.
SELECT pg_advisory_xact_lock(7310025911);

-- One row: the time at which the store began, empty, and the number of its last revocation.
CREATE TABLE IF NOT EXISTS session_store (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    origin bigint NOT NULL,
    number bigint NOT NULL DEFAULT 0
);

-- The subjects that have sessions or an epoch. The row is locked while their sessions change.
CREATE TABLE IF NOT EXISTS session_subject (
    subject text COLLATE "C" PRIMARY KEY,
    epoch bigint, -- NULL: the origin of the store
    until bigint NOT NULL -- when the last session that the epoch concerns has ended, and its access tokens
);
CREATE INDEX IF NOT EXISTS session_subject_until ON session_subject (until);

CREATE TABLE IF NOT EXISTS session_family (
    id text COLLATE "C" PRIMARY KEY,
    subject text COLLATE "C" NOT NULL,
    proof bytea NOT NULL, -- the digest of a part that only tokens contain
    epoch bigint NOT NULL,
    generation bigint NOT NULL,
    previous bigint NOT NULL,
    key_id bigint NOT NULL,
    rotated_at bigint NOT NULL,
    idle_deadline bigint NOT NULL,
    absolute_deadline bigint NOT NULL,
    forgiven bigint NOT NULL,
    forgiven_since bigint NOT NULL,
    scope text NOT NULL,
    method text NOT NULL,
    created bigint NOT NULL,
    last_used bigint NOT NULL,
    user_agent text,
    network cidr
);
CREATE INDEX IF NOT EXISTS session_family_subject ON session_family (subject);
CREATE INDEX IF NOT EXISTS session_family_deadline ON session_family (least(idle_deadline, absolute_deadline));

-- What is revoked, until the last token that it concerns has expired. Every change of a row gives it the
-- next number, so this table is also the log of what changed: an instance that has read it up to a number
-- asks for the greater ones.
CREATE TABLE IF NOT EXISTS session_revocation (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('session', 'subject', 'token')),
    name text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL, -- of a subject; 0 for the others
    until bigint NOT NULL,
    number bigint NOT NULL UNIQUE,
    PRIMARY KEY (kind, name)
);
CREATE INDEX IF NOT EXISTS session_revocation_until ON session_revocation (until);

CREATE OR REPLACE FUNCTION session_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- The origin is larger than every epoch of a store that was lost.
INSERT INTO session_store (origin) VALUES (session_now()) ON CONFLICT DO NOTHING;

-- Records a revocation, and informs the instances unless they know it already. p_until is in milliseconds.
CREATE OR REPLACE FUNCTION session_record(p_kind text, p_name text, p_epoch bigint, p_until bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    -- The end of the year 9999 is for ever, and no sum with it overflows.
    v_until bigint := least(ceil(p_until / 1000.0)::bigint, 253402300799);
    v_number bigint;
BEGIN
    PERFORM 1 FROM session_revocation
        WHERE kind = p_kind AND name = p_name AND epoch >= p_epoch AND until >= v_until;
    IF FOUND THEN
        RETURN v_until;
    END IF;
    -- This row stays locked until the commit, so revocations become visible in the order of their
    -- numbers: who sees a number has seen, or can see, all smaller ones.
    UPDATE session_store SET number = number + 1 RETURNING number INTO STRICT v_number;
    INSERT INTO session_revocation AS r VALUES (p_kind, p_name, p_epoch, v_until, v_number)
        ON CONFLICT (kind, name) DO UPDATE SET
            epoch = greatest(r.epoch, excluded.epoch),
            until = greatest(r.until, excluded.until),
            number = excluded.number;
    -- Only wakes those who listen: the table has the content.
    PERFORM pg_notify('session_revocation', '');
    RETURN v_until;
END $$;

-- Opens a session. Returns the sessions that it ended, and until when their access tokens are revoked.
CREATE OR REPLACE FUNCTION session_open(
    p_id text, p_subject text, p_scope text, p_method text, p_agent text, p_network cidr, p_proof bytea,
    p_key_id bigint, p_idle bigint, p_absolute bigint, p_access bigint, p_most bigint, p_replaces text,
    OUT o_origin bigint, OUT o_epoch bigint, OUT o_at bigint, OUT o_epoch_until bigint,
    OUT o_ended text[], OUT o_until bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_epoch bigint;
    v_last bigint;
    v_count bigint;
    v_id text;
BEGIN
    INSERT INTO session_subject AS s (subject, until) VALUES (p_subject, session_now() + p_absolute + p_access)
        ON CONFLICT (subject) DO UPDATE SET until = greatest(s.until, excluded.until)
        RETURNING s.epoch, s.until INTO v_epoch, v_last;
    SELECT origin INTO STRICT o_origin FROM session_store;
    o_at := session_now();
    o_until := ceil((o_at + p_access) / 1000.0);
    o_ended := '{}';

    DELETE FROM session_family
        WHERE subject = p_subject AND (least(idle_deadline, absolute_deadline) <= o_at OR epoch < o_origin);
    DELETE FROM session_family WHERE subject = p_subject AND id = p_replaces RETURNING ARRAY[id] INTO o_ended;
    SELECT count(*) INTO v_count FROM session_family WHERE subject = p_subject;
    WITH excess AS (
        SELECT id FROM session_family WHERE subject = p_subject
            ORDER BY last_used, created, id LIMIT greatest(v_count + 1 - p_most, 0)
    ), ended AS (
        DELETE FROM session_family f USING excess WHERE f.id = excess.id RETURNING f.id
    )
    SELECT coalesce(o_ended, '{}') || coalesce(array_agg(id), '{}') INTO o_ended FROM ended;
    FOREACH v_id IN ARRAY o_ended LOOP
        PERFORM session_record('session', v_id, 0, o_at + p_access);
    END LOOP;

    -- An epoch below the origin is from before the operator raised it.
    o_epoch := greatest(v_epoch, o_origin);
    IF v_epoch IS NOT NULL THEN
        o_epoch_until := session_record('subject', p_subject, v_epoch, v_last);
    END IF;
    INSERT INTO session_family VALUES (
        p_id, p_subject, p_proof, o_epoch, 1, 0, p_key_id, o_at, o_at + p_idle, o_at + p_absolute, 0, o_at,
        p_scope, p_method, o_at, o_at, p_agent, p_network
    );
END $$;

-- Ends a session because of the reuse of a token, if its state is still the one that was read. Returns
-- until when its access tokens are revoked, or NULL.
CREATE OR REPLACE FUNCTION session_reused(p_id text, p_generation bigint, p_access bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM session_family WHERE id = p_id AND generation = p_generation;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN session_record('session', p_id, 0, session_now() + p_access);
END $$;

-- Ends sessions of a subject: 'all', 'others' than p_id, or the 'one'. Returns which.
CREATE OR REPLACE FUNCTION session_revoke(
    p_subject text, p_which text, p_id text, p_access bigint, p_absolute bigint,
    OUT o_origin bigint, OUT o_epoch bigint, OUT o_until bigint, OUT o_ended text[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_last bigint;
    v_id text;
BEGIN
    SELECT origin INTO STRICT o_origin FROM session_store;
    IF p_which = 'all' THEN
        INSERT INTO session_subject AS s VALUES (
            p_subject, greatest(o_origin + 1, session_now()), session_now() + p_absolute + p_access
        )
        ON CONFLICT (subject) DO UPDATE SET
            epoch = greatest(coalesce(s.epoch, o_origin) + 1, excluded.epoch, session_now()),
            until = greatest(s.until, excluded.until)
        RETURNING s.epoch, s.until INTO o_epoch, v_last;
    ELSE
        PERFORM 1 FROM session_subject WHERE subject = p_subject FOR UPDATE;
    END IF;

    WITH ended AS (
        DELETE FROM session_family WHERE subject = p_subject AND CASE p_which
            WHEN 'all' THEN true WHEN 'others' THEN id <> p_id ELSE id = p_id END
            RETURNING id,
                least(idle_deadline, absolute_deadline) > session_now() AND epoch >= o_origin AS lives
    )
    SELECT coalesce(array_agg(id), '{}') INTO o_ended FROM ended WHERE lives;
    IF p_which = 'all' THEN
        o_until := session_record('subject', p_subject, o_epoch, v_last);
    ELSE
        o_until := ceil((session_now() + p_access) / 1000.0);
        FOREACH v_id IN ARRAY o_ended LOOP
            PERFORM session_record('session', v_id, 0, o_until * 1000);
        END LOOP;
    END IF;
END $$;

-- Removes at most p_most expired rows of each table, and returns how many. Rows that others use are left
-- for the next time.
CREATE OR REPLACE FUNCTION session_sweep(p_most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := session_now();
    v_families bigint;
    v_subjects bigint;
    v_revocations bigint;
BEGIN
    DELETE FROM session_family WHERE id IN (
        SELECT id FROM session_family WHERE least(idle_deadline, absolute_deadline) <= v_now
            LIMIT p_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_families = ROW_COUNT;
    DELETE FROM session_subject WHERE subject IN (
        SELECT subject FROM session_subject WHERE until <= v_now LIMIT p_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_subjects = ROW_COUNT;
    DELETE FROM session_revocation WHERE (kind, name) IN (
        SELECT kind, name FROM session_revocation WHERE until <= v_now / 1000 - 1
            LIMIT p_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS v_revocations = ROW_COUNT;
    RETURN v_families + v_subjects + v_revocations;
END $$;
COMMIT;
