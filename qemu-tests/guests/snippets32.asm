; SPDX-License-Identifier: BSD-2-Clause-Patent
; One instruction each, in 32-bit code: run in compatibility mode and in legacy mode, so assembled for
; both. void snippet(Snippet32Registers& registers), argument in EAX, registers otherwise as C has it.
        bits    32
        section .text

%macro  snippet 2                       ; name, instruction
        align   16
        global  %1
%1:
        push    ebx
        push    esi
        push    edi
        push    ebp
        mov     edi, eax
        mov     eax, [edi]              ; qemu-tests/guests/snippets32.h
        mov     ebx, [edi + 4]
        mov     ecx, [edi + 8]
        mov     edx, [edi + 12]
        mov     esi, [edi + 16]
        mov     ebp, [edi + 20]
        std                             ; to find it so afterwards
        %2
        mov     [edi], eax
        pushfd
        pop     eax
        cld
        mov     [edi + 4], ebx
        mov     [edi + 8], ecx
        mov     [edi + 12], edx
        mov     [edi + 16], esi
        mov     [edi + 20], ebp
        mov     [edi + 24], eax
        pop     ebp
        pop     edi
        pop     esi
        pop     ebx
        ret
%endmacro

        snippet snippet32_cpuid, cpuid
        snippet snippet32_prefixed_cpuid, {o16 cpuid}
        snippet snippet32_rdpmc, rdpmc
