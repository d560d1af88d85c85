"""Preferences of the Firefox that assay starts: no first-run pages, no visits elsewhere, nothing cut short.

Its clock is left as its users have it: 20 us in an isolated page. May import: standard library.
"""

from __future__ import annotations

import json
from pathlib import Path

PREFERENCES: dict[str, bool | int | str] = {
    # A start without questions and without a look at what was open before.
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "browser.sessionstore.resume_from_crash": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "startup.homepage_welcome_url": "",
    "trailhead.firstrun.didSeeAboutWelcome": True,
    # Nobody but our server is asked for anything.
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.search.update": False,
    "browser.topsites.contile.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.url": "",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.unified": False,
    # Long calls are what is measured, not a fault, and the tab is never put away.
    "dom.ipc.processHangMonitor": False,
    "dom.max_script_run_time": 0,
    "browser.tabs.unloadOnLowMemory": False,
    # No content process is started ahead of need: its memory would be read beside the page's.
    "dom.ipc.processPrelaunch.enabled": False,
}


def write_preferences(profile: Path, *, webgpu: bool) -> None:
    """Write ``user.js`` into a profile, which Firefox reads at its start."""
    wanted = {**PREFERENCES, **({"dom.webgpu.enabled": True, "gfx.webgpu.ignore-blocklist": True} if webgpu else {})}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
