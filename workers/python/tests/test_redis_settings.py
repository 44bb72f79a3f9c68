import unittest

from taskflow_worker import Address, RedisServer, RedisTls, SettingsError, load_settings

# The same cases as those of the other processes: test/redis-settings.test.ts.

_FILE = __file__  # Any file that can be read.


class WhereRedisIs(unittest.TestCase):
    def test_is_understood(self) -> None:
        a, b = Address("a", 7000), Address("b", 7001)
        sentinels = (Address("a", 26_379), Address("b", 26_380))
        for settings, expected in (
            ({}, RedisServer()),
            ({"HOST": "::1"}, RedisServer((Address("::1", 6379),))),
            ({"TLS": "true"}, RedisServer(tls=RedisTls())),
            ({"CLUSTER": "true", "HOST": "a,b:7001", "PORT": "7000"}, RedisServer((a, b), "cluster")),
            (
                {"SENTINEL": "mine", "HOST": "a:26379, b:26380", "SENTINEL_PASSWORD": "s"},
                RedisServer(sentinels, "sentinel", sentinel_name="mine", sentinel_password="s"),
            ),
            (
                {"URL": "redis://me:p%40ss@[::1]:6380/0"},
                RedisServer((Address("::1", 6380),), username="me", password="p@ss"),
            ),
            (
                {"URL": "rediss://cache.example.com", "PASSWORD": "p"},
                RedisServer((Address("cache.example.com", 6379),), password="p", tls=RedisTls()),
            ),
            (
                {"URL": "rediss+cluster://:p@a:7000,b:7001", "HOST": "redis_high"},
                RedisServer((a, b), "cluster", password="p", tls=RedisTls()),
            ),
            (
                {"URL": "redis+sentinel://:p@a,b:26380/mine"},
                RedisServer(sentinels, "sentinel", password="p", sentinel_name="mine"),
            ),
        ):
            with self.subTest(settings):
                given = {f"REDIS_{name}_HIGH": value for name, value in settings.items()}
                self.assertEqual(load_settings(given).high, expected)

    def test_is_refused_where_it_contradicts_itself(self) -> None:
        for given, beginnings in (
            ({"REDIS_URL_HIGH": "http://a"}, ["REDIS_URL_HIGH: must be redis://"]),
            ({"REDIS_URL_HIGH": "redis://a,b"}, ["REDIS_URL_HIGH: must be"]),
            ({"REDIS_URL_HIGH": "redis://a/3"}, ["REDIS_URL_HIGH: must be"]),
            ({"REDIS_URL_HIGH": "redis://a:70000"}, ["REDIS_URL_HIGH: must be"]),
            ({"REDIS_URL_HIGH": "redis://:%zz@a"}, ["REDIS_URL_HIGH: must be"]),
            ({"REDIS_URL_LOW": "redis+sentinel://a:26379"}, ["REDIS_URL_LOW: must be"]),
            ({"REDIS_HOST_HIGH": "a,b"}, ["REDIS_HOST_HIGH: names several hosts: set REDIS_CLUSTER_HIGH=true, or"]),
            (
                {"REDIS_HOST_HIGH": "a b", "REDIS_CLUSTER_HIGH": "true"},
                ["REDIS_HOST_HIGH: must be a host, or several"],
            ),
            (
                {"REDIS_CLUSTER_LOW": "true", "REDIS_SENTINEL_LOW": "x"},
                ["REDIS_CLUSTER_LOW: a Redis Cluster needs no Sentinels"],
            ),
            ({"REDIS_SENTINEL_PASSWORD_HIGH": "x"}, ["REDIS_SENTINEL_PASSWORD_HIGH: there are no Sentinels; set"]),
            ({"REDIS_CA_FILE_HIGH": _FILE}, ["REDIS_CA_FILE_HIGH: is for TLS: set REDIS_TLS_HIGH=true, or write"]),
            (
                {"REDIS_TLS_HIGH": "true", "REDIS_CA_FILE_HIGH": "/no/such/file", "REDIS_CERT_FILE_HIGH": _FILE},
                ["REDIS_KEY_FILE_HIGH: a certificate needs its key", "REDIS_CA_FILE_HIGH: cannot read /no/such/file"],
            ),
            ({"REDIS_TLS_HIGH": "true", "REDIS_CA_FILE_HIGH": _FILE}, ["REDIS_CA_FILE_HIGH: is no PEM"]),
            (
                {
                    "REDIS_URL_HIGH": "redis://u:p@a",
                    "REDIS_TLS_HIGH": "true",
                    "REDIS_PASSWORD_HIGH": "q",
                    "REDIS_CLUSTER_HIGH": "true",
                },
                [
                    "REDIS_TLS_HIGH: write rediss in REDIS_URL_HIGH",
                    "REDIS_CLUSTER_HIGH: write redis+cluster:// in REDIS_URL_HIGH",
                    "REDIS_PASSWORD_HIGH: REDIS_URL_HIGH has another one",
                ],
            ),
        ):
            with self.subTest(given):
                with self.assertRaises(SettingsError) as caught:
                    load_settings(given)
                found = str(caught.exception).split("\n")
                self.assertEqual(len(found), len(beginnings), found)
                for line, beginning in zip(found, beginnings, strict=True):
                    self.assertIn(beginning, line)
                # What is wrong with it is told without what it holds.
                self.assertNotIn("u:p@", "".join(found))
