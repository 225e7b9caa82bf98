/* The public header, in C and in C++: alone, twice, and used. */
#include <vestibule/vestibule.h>

#include <vestibule/vestibule.h>

struct vestibule_cpu cpu;
struct vestibule_platform platform;
struct vestibule_setup setup;

vestibule_reason use(void *idt);

vestibule_reason use(void *idt) {
    vestibule_reason reason = vestibule_identify(&platform);
    setup.c_bit             = platform.c_bit;
    if (reason == 0) {
        reason = vestibule_cpu_start(&cpu, &setup);
    }
    if (reason != 0) {
        vestibule_terminate(reason);
    }
    vestibule_set_gate(idt, 29, vestibule_vc_entry, 8, 1);
    return 0;
}
