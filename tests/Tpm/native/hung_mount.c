/*
 * Has a descriptor on a mount that nobody serves, in a mount namespace of its own: mounts FUSE at the directory that it
 * is given, opens that by name alone, says so, and waits. Needs root.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char options[64];
    int device = open("/dev/fuse", O_RDWR);

    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
    if (argc != 2 || device < 0 || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
        || mount("hung", argv[1], "fuse", 0, options) != 0 || open(argv[1], O_PATH) < 0)
        return 1;
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
