"""Names: what PyTorch and Python keep for themselves, and what classes, variables and parameters are called."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Container

from cnnlang.backends.python_source.names import free, variable

# Attributes of every nn.Module (PyTorch 2.4 to 2.13): a layer of such a name is refused or breaks its module. Those
# that begin with an underscore are refused by pattern.
MODULE_ATTRIBUTES = frozenset(
    """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules
    mtia named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule
    share_memory state_dict to to_empty train training type xpu zero_grad
    _apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl _forward_hooks
    _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs
    _get_backward_hooks _get_backward_pre_hooks _get_name _is_full_backward_hook _load_from_state_dict
    _load_state_dict_post_hooks _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules _named_members
    _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook _register_state_dict_hook
    _replicate_for_data_parallel _save_to_state_dict _slow_forward _state_dict_hooks _state_dict_pre_hooks _version
    _wrapped_call_impl
    """.split()  # noqa: SIM905  # a table, as dir() prints it
)

# Further attributes of the containers; a layer of such a name is kept in a plain module.
CONTAINER_ATTRIBUTES = frozenset(
    "append extend insert pop clear items keys update values _get_item_by_idx _get_abs_string_index".split()  # noqa: SIM905
)

# Names that the emitted file uses for itself.
MODULE_NAMES = frozenset({"torch", "nn", "F", "OrderedDict"})


def is_reserved(segment: str) -> bool:
    """Whether a part of a weight's path cannot be the name of a module."""
    if segment.isascii() and segment.isdigit():
        return False
    return (
        segment in MODULE_ATTRIBUTES
        or keyword.iskeyword(segment)
        or not segment.isidentifier()
        or unicodedata.normalize("NFKC", segment) != segment  # Python would read another name
        or segment.startswith("__")  # within a class Python reads `_Class__name`
    )


def net_name(name: str, taken: Container[str]) -> str:
    """The class of a net has the net's own name, with `Net` after it where that is taken or none of Python's."""
    if variable(name, reserved=MODULE_NAMES) == name and name not in taken:
        return name
    return free(f"{variable(name, reserved=MODULE_NAMES).rstrip('_')}Net", taken)


def class_name(name: str) -> str:
    """`conv_bn` as `ConvBn`."""
    camel = "".join(part[:1].upper() + part[1:] for part in variable(name, reserved=MODULE_NAMES).split("_"))
    return f"{camel}Block" if camel in MODULE_NAMES or keyword.iskeyword(camel) or not camel.isidentifier() else camel
