# The WeSee attack (CVE-2024-25742) for every exit code: a #VC whose exit code is not that of the
# instruction at which it comes, while the early handler serves and while the runtime handler does.
# The guest must end itself each time, and say why by a code that was meant for it:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DTRACE=<file to write> -P wesee.cmake
set(codes
  0x0 0x10 0x27 0x37 0x41 0x4d 0x4e 0x51 0x5d 0x61 0x6e 0x6f 0x72 0x74 0x76 0x78 0x7b 0x7c 0x7f
  0x81 0x82 0x87 0x89 0x8a 0x8b 0x8c 0x8d 0x8e 0xa2 0xff 0x100 0x400 0x403 0x404 0x80000001
  0x8000ffff 0xffffffff)
set(meant "VC_OPCODE_MISMATCH|UNEXPECTED_EXIT|EARLY_UNEXPECTED_EXIT")
# An attack inside the handler finds the GHCB in use.
set(meant_anywhere "${meant}|GHCB_REENTERED")
set(runs 0)

# attack(<lie> <reasons>): a run that must end for one of the reasons, before the selftest is over.
function(attack lie reasons)
  execute_process(COMMAND ${SEVSIM} run ${IMAGE} --hostile ${lie} RESULT_VARIABLE status
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 1 OR output MATCHES "not ok"
      OR NOT output MATCHES "Outcome: the guest asked for its termination: (${reasons}) ")
    message(NOTICE "${output}")
    message(FATAL_ERROR "--hostile ${lie}: the guest did not end as it should")
  endif()
  math(EXPR runs "${runs} + 1")
  set(runs ${runs} PARENT_SCOPE)
endfunction()

# Which #VC is what: the first is the early handler's, a CPUID.
execute_process(COMMAND ${SEVSIM} run ${IMAGE} --trace ${TRACE} OUTPUT_QUIET)
file(STRINGS ${TRACE} vcs REGEX "\"record\":\"vc\"")
set(number 0)
foreach(vc IN LISTS vcs)
  math(EXPR number "${number} + 1")
  string(REGEX MATCH "\"code\":\"(0x[0-9a-f]+)\"" code "${vc}")
  if(NOT DEFINED first_${CMAKE_MATCH_1})
    set(first_${CMAKE_MATCH_1} ${number})
  endif()
endforeach()
if(NOT first_0x72 EQUAL 1 OR NOT first_0x7b GREATER 1 OR NOT first_0x7c GREATER 1)
  message(FATAL_ERROR "the trace shows other #VCs than this test is written for")
endif()

foreach(code IN LISTS codes)
  if(code STREQUAL "0x72")
    # At a CPUID this would be no attack; entries of the guest are other places. The first one is
    # its first instruction, before it can have an IDT.
    foreach(entry RANGE 2 41 3)
      attack(vc-at-entry:${code}@${entry} "${meant_anywhere}")
    endforeach()
  else()
    attack(vc:${code}@1 "${meant}")
  endif()
  if(code STREQUAL "0x7b")
    attack(vc:${code}@${first_0x7c} "${meant}")
  else()
    attack(vc:${code}@${first_0x7b} "${meant}")
  endif()
endforeach()
# Inside the handler, behind VMGEXIT, between handlers. Not with 0x7C: one of these places is an RDMSR
# of the GHCB MSR, which is no forgery to a handler that serves RDMSR of any register.
foreach(code 0x72 0x7b)
  foreach(entry RANGE 100 116 3)
    attack(vc-at-entry:${code}@${entry} "${meant_anywhere}")
  endforeach()
endforeach()
message(STATUS "attacks that the guest saw through: ${runs}")
