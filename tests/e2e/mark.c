/* Gives a file an attribute: PATH NAME VALUE; without a value an access list in which user 9 may read and search. */
#include <string.h>
#include <sys/xattr.h>

/* linux/posix_acl_xattr.h: version 2; then tag, rights and id of each entry. */
#define ANY 0xff, 0xff, 0xff, 0xff
static const unsigned char ACCESS[] = {
    2, 0, 0, 0, 1, 0, 7, 0, ANY, 2, 0, 5, 0, 9, 0, 0, 0, 4, 0, 5, 0, ANY, 16, 0, 5, 0, ANY, 32, 0, 5, 0, ANY,
};

int main(int count, char **words) {
    if (count == 3) return setxattr(words[1], words[2], ACCESS, sizeof ACCESS, 0) ? 1 : 0;
    return count == 4 && setxattr(words[1], words[2], words[3], strlen(words[3]), 0) == 0 ? 0 : 1;
}
