/**
 * Settings for databases that live as long as a test run. A killed server still finds what it has committed, since that
 * lies in the system's cache; only the machine itself must not crash.
 */
export const FAST_POSTGRES = { fsync: 'off', full_page_writes: 'off', max_connections: '300' };

export const FAST_REDIS = { appendonly: 'no' };
