"""Which published vision models are one family, and which are one model under several names.

A family is what timm implements together, so that leaving one out leaves out its kin, whoever trained it: 1.0.31 was
looked through. May import: standard library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_OWNER = re.compile(r"^(?:(?:tf|tv|test|legacy|gluon|ig|swsl|ssl|adv|ens|jx)_)+")
_RESOLUTION = re.compile(r"_\d{3}(?=$|_)")
_TAG = re.compile(r"_in\d+k.*$|_in22ft1k$")
_TOGETHER = {
    "beit": "beitv",
    "byoanet": "botnet halo halonet haloregnetz lambda lamhalobotnet sebotnet sehalonet",
    "byobnet": "bat gcresnet gcresnext gernet mobileone regnetz repvgg",
    "convnext": "convnextv",
    "cspnet": "cs cspdarknet cspresnet cspresnext darknet darknetaa sedarknet",
    "densenet": "densenetblur",
    "efficientformer": "efficientformerv",
    "efficientnet": "efficientnetv fbnetc gc mixnet mnasnet mobilenet semnasnet spnasnet tinynet",
    "ghostnet": "ghostnetv",
    "hgnet": "hgnetv",
    "hiera": "hieradet sam",
    "maxvit": "coatnet coatnext maxvit maxxvit maxxvitv",
    "metaformer": "caformer convformer poolformer poolformerv",
    "mlp_mixer": "gmixer gmlp mixer resmlp",
    "mobilenetv3": "fbnetv lcnet mobilenetv",
    "mobilevit": "mobilevitv",
    "nfnet": "dm eca nf",
    "nasnet": "nasnetalarge",
    "regnet": "regnetv regnetx regnety",
    "repghost": "repghostnet",
    "resnet": (
        "ecaresnet ecaresnetlight ecaresnext resnetaa resnetblur resnetrs resnext senet seresnet seresnetaa seresnext "
        "seresnextaa skresnet skresnext wide"
    ),
    "resnetv2": "resnetv",
    "rexnet": "rexnetr",
    "vision_transformer": "aimv flexivit naflexvit samvit vit",
    "vovnet": "ese",
    "xception": "xceptionaligned",
}
_FAMILY = {prefix: family for family, prefixes in _TOGETHER.items() for prefix in prefixes.split()}


def family_of(name: str) -> str:
    """Return the family of a model by its name in timm."""
    bare = _bare(name)
    found = re.match(r"[a-z]+", bare)
    letters = found.group() if found else bare
    return _FAMILY.get(letters, letters)


def group_models(graphs: Mapping[tuple[str, int], Sequence[float]]) -> dict[str, str]:
    """Return one word for each set of names that are one model, by name.

    ``graphs``: flops by class for each name and image size. Names are one model where they differ by who trained it or
    by resolution, or where their flops are the same at the same size: else one would be held out and its twin learned.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    first: dict[object, str] = {}
    for (name, size), flops in sorted(graphs.items()):
        for key in (_TAG.sub("", _RESOLUTION.sub("", _bare(name))), (size, tuple(flops))):
            other = first.setdefault(key, name)
            parent[root(name)] = root(other)
    return {name: root(name) for name, _ in graphs}


def _bare(name: str) -> str:
    return _OWNER.sub("", name.partition(".")[0])
