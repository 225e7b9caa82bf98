; SPDX-License-Identifier: BSD-2-Clause-Patent
; The handler of profile_known.cpp. Each path's length is in its comments; VMGEXIT and IRET, and an
; instruction that itself raises #VC, count for nothing.
        bits    64
        default rel
        section .text

GHCB_MSR        equ 0xC0010130

%macro  vmgexit 0
        db      0xF3, 0x0F, 0x01, 0xD9
%endmacro

        global  known_handler
known_handler:
        cmp     dword [rsp], 0x72       ; 1
        je      .cpuid                  ; 2
        cmp     dword [rsp], 0x6F       ; 3
        je      .rdpmc                  ; 4
        cmp     dword [rsp], 0x89       ; 5
        je      .wbinvd                 ; 6
        mov     ecx, GHCB_MSR           ; INVD ends the run
        mov     eax, 0x000F5100         ; termination, set 5, code 0x0F
        xor     edx, edx
        wrmsr
        vmgexit
        hlt

; CPUID: 6 instructions to the VMGEXIT, of which the monitor does one (WRMSR); two VMGEXITs with 5
; between them; 4 to the IRET. Total 15.
.cpuid: mov     eax, 4                  ; 3
        mov     ecx, GHCB_MSR           ; 4
        xor     edx, edx                ; 5
        wrmsr                           ; 6
        vmgexit
        nop                             ; 1
        rdmsr                           ; 2, the monitor does it
        mov     eax, 0x002              ; 3
        xor     edx, edx                ; 4
        wrmsr                           ; 5
        vmgexit
        nop                             ; 1
        mov     rax, cr3                ; 2, the monitor does it
        add     qword [rsp + 8], 2      ; 3
        add     rsp, 8                  ; 4
        iretq

; RDPMC: another #VC inside, which is counted by itself and whose IRET the monitor does. 4 + 10 + 1
; before, a nested one, then 4 more before the VMGEXIT; 105 after it, of them a REP of 100, which
; the clock counts once an iteration and once more when RCX is found to be zero. Total 124.
.rdpmc: times 10 nop                    ; 14
        mov     eax, 0                  ; 15
        cpuid
        mov     eax, 0x002              ; 16
        mov     ecx, GHCB_MSR           ; 17
        xor     edx, edx                ; 18
        wrmsr                           ; 19
        vmgexit
        mov     ecx, 100                ; 1
        lea     rdi, [scratch]          ; 2
        rep stosb                       ; 103
        add     qword [rsp + 8], 2      ; 104
        add     rsp, 8                  ; 105
        iretq

; WBINVD: no VMGEXIT at all. 6 + 3.
.wbinvd:
        add     qword [rsp + 8], 2      ; 7
        add     rsp, 8                  ; 8
        jmp     .return                 ; 9
.return:
        iretq

        section .bss
scratch:
        resb    100
