; SPDX-License-Identifier: BSD-2-Clause-Patent
; A #VC that ends in an exception without an error code: #DB behind a CPUID that is single-stepped.
        bits    64
        default rel
        section .text

; void cpuid_single_stepped()
        global  cpuid_single_stepped
        global  behind_cpuid
cpuid_single_stepped:
        push    rbx
        mov     [rsp_there], rsp
        xor     eax, eax
        xor     ecx, ecx
        pushfq
        or      dword [rsp], 1 << 8     ; TF
        popfq
        cpuid
behind_cpuid:
        nop
        pop     rbx
        ret

; The stack must hold what the CPU pushes for #DB, and nothing else.
        global  end_single_step
end_single_step:
        push    rax
        inc     qword [single_steps]
        mov     rax, [rsp + 8]          ; RIP
        mov     [stepped_rip], rax
        mov     rax, [rsp + 4 * 8]      ; RSP, as it was
        sub     rax, [rsp_there]
        mov     [stepped_rsp_error], rax
        and     dword [rsp + 3 * 8], ~(1 << 8)
        pop     rax
        iretq

        section .bss align=8
        global  single_steps:data hidden
        global  stepped_rip:data hidden
        global  stepped_rsp_error:data hidden
single_steps:
        resq    1
stepped_rip:
        resq    1
stepped_rsp_error:
        resq    1
rsp_there:
        resq    1
