# SPDX-License-Identifier: BSD-2-Clause-Patent
# The guests of the early handlers in 32-bit code, the same in compatibility and in legacy mode: name,
# instruction (snippets32.asm), CPUID's leaf and sub-leaf. A leaf without sub-leaves may have
# anything in ECX.
set(early_snippets
  "cpuid snippet32_cpuid 0x80000002 5"
  "prefix snippet32_prefixed_cpuid 0x80000002 0"
  "rdpmc snippet32_rdpmc 0 0"
  "subleaf snippet32_cpuid 7 1")

# define_early_snippet(<target> <row>): the row as definitions.
function(define_early_snippet target row)
  separate_arguments(row)
  list(GET row 1 snippet)
  list(GET row 2 leaf)
  list(GET row 3 subleaf)
  foreach(definition SNIPPET=${snippet} LEAF=${leaf} SUBLEAF=${subleaf})
    target_compile_definitions(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${definition}>)
  endforeach()
endfunction()
