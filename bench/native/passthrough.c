/*
 * The least that a filesystem can be which passes TPM commands on: the floor that TpmFs is measured against. One
 * thread, no library, no checks but those that keep it from crashing, no resource management; it holds swtpm's socket
 * itself. One file, "tpm0".
 *
 *     passthrough MOUNTPOINT SWTPM_SOCKET after|before
 *
 * "after" answers a write when the TPM has answered, "before" as soon as it was read; which of the two is faster
 * depends on the machine, so both are measured and the faster is the floor. The protocol: linux/fuse.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { FILE_NODE = 2, MAX_OPENERS = 4096, BUFFER = 4096, HEADER = 10, REQUEST = BUFFER + 4096 };

#ifndef FOPEN_NOFLUSH
#define FOPEN_NOFLUSH (1 << 5)
#endif

struct opener {
    uint32_t length;    /* of a response that was not read yet */
    bool waits;         /* somebody polls it, under this kh */
    uint64_t kh;
    uint8_t response[BUFFER];
};

static struct opener *openers[MAX_OPENERS];
static int fuse, tpm;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void reply(uint64_t unique, int error, const void *body, size_t size) {
    struct fuse_out_header header = { .len = sizeof header + size, .error = -error, .unique = unique };
    struct iovec parts[] = { { &header, sizeof header }, { (void *)body, size } };
    if (writev(fuse, parts, size ? 2 : 1) < 0 && errno != ENOENT)
        fail("reply");
}

static void notify(struct opener *opener) {
    struct fuse_notify_poll_wakeup_out wakeup = { .kh = opener->kh };
    struct fuse_out_header header = { .len = sizeof header + sizeof wakeup, .error = FUSE_NOTIFY_POLL };
    struct iovec parts[] = { { &header, sizeof header }, { &wakeup, sizeof wakeup } };
    opener->waits = false;
    if (writev(fuse, parts, 2) < 0)
        fail("notify");
}

static void transact(struct opener *opener, const uint8_t *command, uint32_t size) {
    uint32_t got = 0, whole = HEADER;
    if (send(tpm, command, size, 0) != size)
        fail("send");
    while (got < whole) {
        ssize_t count = recv(tpm, opener->response + got, BUFFER - got, 0);
        if (count <= 0)
            fail("recv");
        got += count;
        if (got >= HEADER)
            whole = (uint32_t)opener->response[2] << 24 | opener->response[3] << 16
                | opener->response[4] << 8 | opener->response[5];
    }
    opener->length = got;
    if (opener->waits)
        notify(opener);
}

static struct fuse_attr attributes(uint64_t node) {
    mode_t mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0666;
    return (struct fuse_attr) { .ino = node, .mode = mode, .nlink = 1, .blksize = BUFFER };
}

static void init(const struct fuse_in_header *in) {
    struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_write = BUFFER, .time_gran = 1 };
    reply(in->unique, 0, &out, sizeof out);
}

static void look_up(const struct fuse_in_header *in, const char *name) {
    struct fuse_entry_out out = { .nodeid = FILE_NODE, .attr = attributes(FILE_NODE) };
    if (strcmp(name, "tpm0") == 0)
        reply(in->unique, 0, &out, sizeof out);
    else
        reply(in->unique, ENOENT, NULL, 0);
}

static void get_attributes(const struct fuse_in_header *in) {
    struct fuse_attr_out out = { .attr = attributes(in->nodeid) };
    reply(in->unique, 0, &out, sizeof out);
}

static void open_file(const struct fuse_in_header *in) {
    uint64_t fh = 0;
    while (fh < MAX_OPENERS && openers[fh])
        fh++;
    if (fh == MAX_OPENERS || !(openers[fh] = calloc(1, sizeof **openers))) {
        reply(in->unique, ENFILE, NULL, 0);
        return;
    }
    struct fuse_open_out out = { .fh = fh, .open_flags = FOPEN_DIRECT_IO | FOPEN_STREAM | FOPEN_NOFLUSH };
    reply(in->unique, 0, &out, sizeof out);
}

static void release(const struct fuse_in_header *in, const struct fuse_release_in *arguments) {
    free(openers[arguments->fh]);
    openers[arguments->fh] = NULL;
    reply(in->unique, 0, NULL, 0);
}

static void write_command(const struct fuse_in_header *in, const struct fuse_write_in *arguments, bool after) {
    struct fuse_write_out out = { .size = arguments->size };
    if (!after)
        reply(in->unique, 0, &out, sizeof out);
    transact(openers[arguments->fh], (const uint8_t *)(arguments + 1), arguments->size);
    if (after)
        reply(in->unique, 0, &out, sizeof out);
}

static void read_response(const struct fuse_in_header *in, const struct fuse_read_in *arguments) {
    struct opener *opener = openers[arguments->fh];
    uint32_t size = arguments->size < opener->length ? arguments->size : opener->length;
    reply(in->unique, 0, opener->response, size);
    opener->length -= size;
    memmove(opener->response, opener->response + size, opener->length);
}

static void poll_file(const struct fuse_in_header *in, const struct fuse_poll_in *arguments) {
    struct opener *opener = openers[arguments->fh];
    struct fuse_poll_out out = { .revents = opener->length ? POLLIN | POLLRDNORM : POLLOUT | POLLWRNORM };
    if (arguments->flags & FUSE_POLL_SCHEDULE_NOTIFY) {
        opener->waits = true;
        opener->kh = arguments->kh;
    }
    reply(in->unique, 0, &out, sizeof out);
}

static void serve(bool after) {
    static uint8_t buffer[REQUEST];
    ssize_t size;
    while ((size = read(fuse, buffer, sizeof buffer)) >= 0 || errno == ENOENT || errno == EINTR) {
        const struct fuse_in_header *in = (const void *)buffer;
        const void *body = in + 1;
        if (size < 0)
            continue;
        switch (in->opcode) {
        case FUSE_INIT: init(in); break;
        case FUSE_LOOKUP: look_up(in, body); break;
        case FUSE_GETATTR: case FUSE_SETATTR: get_attributes(in); break;
        case FUSE_OPEN: open_file(in); break;
        case FUSE_RELEASE: release(in, body); break;
        case FUSE_WRITE: write_command(in, body, after); break;
        case FUSE_READ: read_response(in, body); break;
        case FUSE_POLL: poll_file(in, body); break;
        case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: break;
        default: reply(in->unique, ENOSYS, NULL, 0);
        }
    }
}

int main(int count, char **arguments) {
    char options[128];
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (count != 4)
        return 2;
    strncpy(address.sun_path, arguments[2], sizeof address.sun_path - 1);
    if ((tpm = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0
        || connect(tpm, (void *)&address, sizeof address) < 0)
        fail(arguments[2]);
    if ((fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC)) < 0)
        fail("/dev/fuse");
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
    if (mount("passthrough", arguments[1], "fuse.passthrough", MS_NOSUID | MS_NODEV, options) < 0)
        fail(arguments[1]);
    serve(strcmp(arguments[3], "after") == 0);
    return 0;
}
