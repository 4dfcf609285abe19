"""What a sidecar's user has to be allowed in Redis or Valkey, and how to find out whether it is.

docs/doctor.md has the line that makes such a user. Nothing here may be left out: a test takes each away in turn.
"""

from __future__ import annotations

from sidecar.settings.redis_url import Target

HARMFUL = (
    "flushall", "flushdb", "keys", "shutdown", "config|set", "config|get", "acl|setuser", "debug", "replicaof",
    "monitor", "client|kill", "function|load", "module|load", "migrate", "swapdb", "save", "get", "set", "subscribe",
    "publish",
)  # fmt: skip
"""What it never needs; a user that may do any of it may do more than its work asks for."""

NEEDED = (
    "evalsha", "eval", "script|load", "info", "time", "hget", "hmget", "hgetall", "hkeys", "hlen", "hexists", "hset",
    "hsetnx", "hincrby", "hdel", "zadd", "zrangebyscore", "zrem", "copy", "dump", "restore", "del",
)  # fmt: skip
"""For one server, or one that Sentinels watch."""

NEEDED_WATCHED = ("role",)
"""Behind Sentinels, besides."""

NEEDED_CLUSTER = ("cluster|slots", "asking")
"""In a cluster, besides."""

NEEDED_REPLICATED = ("wait",)
"""With `min_replicas`, besides."""

COURTESY = ("client|setname",)
"""Shows in CLIENT LIST who is connected; without it that is all that is missing."""

_ARGUMENTS = {
    "evalsha": "{command} 0 1 {key}", "eval": "{command} 0 1 {key}", "script": "{command} {sub} 0", "info": "{command}",
    "time": "{command}", "wait": "{command} 0 1", "role": "{command}", "asking": "{command}",
    "cluster": "{command} {sub}",
    "hget": "{command} {key} 0", "hmget": "{command} {key} 0", "hexists": "{command} {key} 0",
    "hset": "{command} {key} 0 0", "hsetnx": "{command} {key} 0 0", "hincrby": "{command} {key} 0 1",
    "hdel": "{command} {key} 0", "zadd": "{command} {key} 0 0", "zrangebyscore": "{command} {key} 0 0",
    "zrem": "{command} {key} 0", "copy": "{command} {key} {key}", "restore": "{command} {key} 0 0",
    "get": "{command} {key}", "set": "{command} {key} 0", "keys": "{command} *", "client": "{command} {sub} 0",
    "config": "{command} {sub} 0 0", "acl": "{command} {sub} 0", "debug": "{command} 0",
    "replicaof": "{command} no one",
    "function": "{command} {sub} 0", "module": "{command} {sub} 0", "migrate": "{command} h 1 {key} 0 1",
    "swapdb": "{command} 0 1", "publish": "{command} c m", "subscribe": "{command} c", "flushall": "{command}",
    "flushdb": "{command}", "shutdown": "{command}", "monitor": "{command}", "save": "{command}",
}  # fmt: skip
_KEY_ALONE = "{command} {key}"

ASKING_SCRIPT = """
local answers = {}
for number, words in ipairs(ARGV) do
  local command = {}
  for word in string.gmatch(words, '%S+') do command[#command + 1] = word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(command))
  answers[number] = known and (allowed and 1 or 0) or -1
end
return answers
"""
"""Says of each command in ARGV whether the user may: 1 yes, 0 no, -1 the server knows no such command. Runs none."""


def needed_for(target: Target) -> tuple[str, ...]:
    """What a user needs besides `NEEDED`, with such a URL."""
    more = {"sentinel": NEEDED_WATCHED, "cluster": NEEDED_CLUSTER}.get(target.kind, ())
    return (*more, *NEEDED_REPLICATED) if target.options.min_replicas else more


def samples(names: tuple[str, ...], prefix: str) -> list[str]:
    """One harmless example of each command, on a key with this prefix.

    >>> samples(("hget", "config|get"), "learning")
    ['hget learning:doctor 0', 'config get 0 0']
    """
    made = []
    for name in names:
        command, _, sub = name.partition("|")
        made.append(_ARGUMENTS.get(command, _KEY_ALONE).format(command=command, sub=sub, key=f"{prefix}:doctor"))
    return made


def acl_line(prefix: str, *more: str, user: str = "learning", password: str = "PASSWORD") -> str:  # noqa: S107 - no password
    """The command that makes a user who may do what is needed, and nothing else.

    >>> acl_line("learning")[:51]
    'ACL SETUSER learning reset on >PASSWORD ~learning:*'
    """
    rights = " ".join(f"+{name}" for name in (*NEEDED, *more, *COURTESY))
    return f"ACL SETUSER {user} reset on >{password} ~{prefix}:* {rights}"
