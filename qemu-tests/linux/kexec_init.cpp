// SPDX-License-Identifier: BSD-2-Clause-Patent
// The first process of a Linux that starts another one by kexec: /kernel, with /second.cpio and a
// command line of its own. It says what the kernel makes of it: loaded or why not, and then the
// other kernel speaks.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/reboot.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int main() {
    constexpr char second[] = "console=ttyS0 panic=-1 quiet -- poweroff";
    mkdir("/dev", 0755);
    mount("dev", "/dev", "devtmpfs", 0, nullptr);
    const int console = open("/dev/console", O_RDWR);
    dup2(console, STDOUT_FILENO);
    std::setvbuf(stdout, nullptr, _IONBF, 0);
    const int kernel = open("/kernel", O_RDONLY);
    const int initrd = open("/second.cpio", O_RDONLY);
    if (syscall(SYS_kexec_file_load, kernel, initrd, sizeof second, second, 0UL) == 0) {
        std::printf("init: kexec: loaded\n");
        reboot(static_cast<int>(LINUX_REBOOT_CMD_KEXEC));
    }
    std::printf("init: kexec: %s\n", std::strerror(errno));
    reboot(RB_POWER_OFF);
    return 1;
}
