"""Search order and the default cache folder."""

from pathlib import Path

import pytest

from convscope.data.roots import absent, default_cache, search_roots


def test_the_given_root_comes_first_then_the_environment_then_the_working_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVSCOPE_DATA", "/from/environment")
    assert search_roots("/given") == [Path("/given"), Path("/from/environment"), tmp_path / "data"]
    assert search_roots("/from/environment") == [Path("/from/environment"), tmp_path / "data"]
    monkeypatch.delenv("CONVSCOPE_DATA")
    assert search_roots(None) == [tmp_path / "data"]


@pytest.mark.parametrize("base", ["", "relative/is/ignored"])
def test_the_default_cache_follows_xdg(monkeypatch, base):
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert default_cache() == Path("/caches/convscope")
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert default_cache() == Path.home() / ".cache" / "convscope"


def test_what_is_absent_is_named_with_every_root():
    text = str(absent("The set", "a/ and b.tar", [Path("/one"), Path("/two")], "fetch it"))
    assert text == "The set not found: looked for a/ and b.tar in /one, /two; fetch it"
